import { expect, test } from "bun:test";
import { assert, pre, property, string } from "fast-check";
import { othersWhoMayWrite } from "../../src/fs/sddl.ts";

const ME = "S-1-5-21-1004336348-1177238915-682003330-1000";
const OTHER = "S-1-5-21-1004336348-1177238915-682003330-1001";

test.each([
  ["a user's own directory", `O:${ME}D:(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;${ME})`, []],
  [
    "Program Files, run by an administrator",
    "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464D:PAI(A;;FA;;;S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464)(A;CIIO;GA;;;S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464)(A;;0x1301bf;;;SY)(A;OICIIO;GA;;;SY)(A;;0x1301bf;;;BA)(A;OICIIO;GA;;;BA)(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)(A;OICIIO;GA;;;CO)(A;;0x1200a9;;;AC)(A;OICIIO;GXGR;;;AC)",
    [],
  ],
  [
    "wine's home directory",
    `O:${ME}D:(A;OICI;FA;;;SY)(A;OICI;FA;;;${ME})(A;OICI;0x1200a9;;;WD)`,
    [],
  ],
  [
    "a directory in the root of a drive",
    "O:BAD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)(A;ID;0x1301bf;;;AU)(A;OICIIOID;SDGXGWGR;;;AU)",
    ["AU"],
  ],
  ["everybody may write", `O:${ME}D:(A;;FA;;;WD)`, ["WD"]],
  ["users may add files", `O:${ME}D:(A;;0x2;;;BU)`, ["BU"]],
  ["users may add directories", `O:${ME}D:(A;;LC;;;BU)`, ["BU"]],
  ["users may remove what is in it", `O:${ME}D:(A;;DT;;;BU)`, ["BU"]],
  ["users may change the list", `O:${ME}D:(A;;WD;;;BU)`, ["BU"]],
  ["users may become the owner", `O:${ME}D:(A;;WO;;;BU)`, ["BU"]],
  ["another user may write", `O:${ME}D:(A;;FA;;;${ME})(A;;FW;;;${OTHER})`, [OTHER]],
  ["another user owns it", `O:${OTHER}D:(A;;FA;;;${ME})`, [OTHER]],
  ["new files may be written to", `O:${ME}D:(A;OICIIO;GA;;;AU)`, ["AU"]],
  ["new directories may be written to", `O:${ME}D:(A;CIIO;GA;;;AU)`, []],
  ["a denial grants nothing", `O:${ME}D:(D;;FA;;;WD)(A;;FA;;;${ME})`, []],
  ["a conditional grant counts as one", `O:${ME}D:(XA;;FA;;;WD;(@User.x == 1))`, ["WD"]],
  ["a kind of entry that nobody knows counts as one", `O:${ME}D:(QQ;;FR;;;WD)`, ["WD"]],
  ["no list means everybody", `O:${ME}D:NO_ACCESS_CONTROL`, ["everybody"]],
  ["no list at all", `O:${ME}`, ["everybody"]],
  [
    "what cannot be read to its end",
    `O:${ME}D:(A;;FR;;;SY)(XA;;FR;;;SY;((a)&&((b))))(A;;FA;;;WD)`,
    ["everybody"],
  ],
  ["a condition that looks like an audit list", `O:${ME}D:(XA;;FR;;;SY;(S:))(A;;FA;;;WD)`, ["WD"]],
  ["no owner", "D:(A;;FR;;;WD)", ["an unknown owner"]],
  ["nothing", "", ["everybody"]],
  ["an audit list says nothing", `O:${ME}D:(A;;FR;;;WD)S:(AU;SAFA;FA;;;WD)`, []],
] as const)("%s", (_what, sddl, expected) => {
  expect(othersWhoMayWrite(sddl, ME)).toEqual([...expected]);
});

test("every bit that is not for reading is a right to write", () => {
  for (let bit = 0; bit < 32; bit++) {
    const mask = (2 ** bit).toString(16);
    const isReading = [0, 3, 5, 7, 17, 20, 29, 31].includes(bit);
    expect([bit, othersWhoMayWrite(`O:${ME}D:(A;;0x${mask};;;BU)`, ME)]).toEqual([
      bit,
      isReading ? [] : ["BU"],
    ]);
  }
});

test("rights that are not understood are rights to write", () => {
  assert(
    property(string({ unit: "binary", minLength: 1 }), (text) => {
      const rights = text.replaceAll(/[();]/g, "");
      pre(!/^(0x[0-9a-f]{1,8}|([A-Z]{2})*)$/i.test(rights));
      expect(othersWhoMayWrite(`O:${ME}D:(A;;${rights};;;BU)`, ME)).toEqual(["BU"]);
    }),
  );
});

test("any text at all has an answer", () => {
  assert(property(string(), (text) => void othersWhoMayWrite(text, ME)));
});
