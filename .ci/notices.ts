/** The licences of everything that is bundled into dist/. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LICENCE_FILE = /^(licen[cs]e|copying|notice)(-\w+)?(\.(md|txt))?$/i;

export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX identifier. */
  readonly licence: string;
  readonly text: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name: string };
}

/**
 * The packages that own `inputs` (paths of bundled files), sorted by name.
 * @throws when one has no licence text and none is known for its identifier
 */
export function bundledPackages(inputs: readonly string[]): BundledPackage[] {
  const directories = new Set<string>();
  for (const input of inputs) {
    const [directory] = /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(input) ?? [];
    if (directory !== undefined) directories.add(directory);
  }
  const packages = new Map<string, BundledPackage>();
  for (const directory of directories) {
    const found = packageAt(directory);
    packages.set(`${found.name}@${found.version}`, found);
  }
  return [...packages.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function packageAt(directory: string): BundledPackage {
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
  const { name, version, license: licence = "", author } = manifest;
  const files = existsSync(directory) ? readdirSync(directory).sort() : [];
  const texts = files
    .filter((file) => LICENCE_FILE.test(file))
    .map((file) => readFileSync(join(directory, file), "utf8").trim());
  const named = typeof author === "string" ? author : author?.name;
  const holder = named === undefined || named === "" ? `the authors of ${name}` : named;
  const text = texts.length > 0 ? texts.join("\n\n") : standardText(licence, holder);
  if (text === undefined) throw new Error(`${name}@${version} has no licence text (${licence})`);
  return { name, version, licence, text };
}

/** For packages that state a licence and do not carry its text. */
function standardText(licence: string, holder: string): string | undefined {
  if (licence === "MIT") return `MIT License\n\nCopyright (c) ${holder}\n\n${MIT}`;
  if (licence === "ISC") return `ISC License\n\nCopyright (c) ${holder}\n\n${ISC}`;
  return undefined;
}

/** One text may serve many packages. */
export function noticesText(packages: readonly BundledPackage[]): string {
  const byText = new Map<string, BundledPackage[]>();
  for (const one of packages) byText.set(one.text, [...(byText.get(one.text) ?? []), one]);
  const sections = [...byText].map(
    ([text, owners]) =>
      `${owners.map(({ name, version, licence }) => `${name} ${version} (${licence})`).join("\n")}\n\n${text}\n`,
  );
  return `The scripts of this package contain the following packages.\n\n${sections.join(`\n${"-".repeat(80)}\n\n`)}`;
}

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const ISC = `Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.`;
