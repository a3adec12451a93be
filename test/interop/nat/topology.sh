#!/bin/sh
# Two homes behind address translation and a public network between them, in network namespaces with no way
# out, then `exec "$@"` in the public one. To be run under `unshare --mount --net`: everything made
# here is in those namespaces and is gone when the last process in them is.
#
#   home-a 192.168.1.2 ── nat-a 99.1.1.2 ── public 99.0.0.1 to .6 ── nat-b 99.1.2.2 ── home-b 192.168.2.2
#
# The addresses look public because HyperDHT does not keep reserved ones in its tables.
set -e
# `ip netns` keeps its names under /run/netns; a tmpfs of our own makes them private to this mount namespace.
mount -t tmpfs tmpfs /run
for name in public nat-a nat-b home-a home-b; do
  ip netns add "$name"
  ip -n "$name" link set lo up
done
for last in 1 2 3 4 5 6; do ip -n public addr add "99.0.0.$last/32" dev lo; done
ip netns exec public sysctl -qw net.ipv4.ip_forward=1

home() { # letter, number, flags of its masquerading: "random" gives every destination another port
  ip -n public link add "to-$1" type veth peer name wan netns "nat-$1"
  ip -n public addr add "99.1.$2.1/24" dev "to-$1"
  ip -n public link set "to-$1" up
  ip -n "nat-$1" addr add "99.1.$2.2/24" dev wan
  ip -n "nat-$1" link set wan up
  ip -n "nat-$1" route add default via "99.1.$2.1"
  ip -n "nat-$1" link add lan type veth peer name eth0 netns "home-$1"
  ip -n "nat-$1" addr add "192.168.$2.1/24" dev lan
  ip -n "nat-$1" link set lan up
  ip -n "home-$1" addr add "192.168.$2.2/24" dev eth0
  ip -n "home-$1" link set eth0 up
  ip -n "home-$1" route add default via "192.168.$2.1"
  ip netns exec "nat-$1" sysctl -qw net.ipv4.ip_forward=1
  # The input chain drops what nobody inside has asked for, as a home router does. Without it Linux remembers
  # the unasked packet and gives the answer another port, and no hole is ever punched.
  ip netns exec "nat-$1" nft -f - <<RULES
table ip home {
  chain out { type nat hook postrouting priority 100; oifname "wan" masquerade $3; }
  chain in { type filter hook input priority 0; iifname "wan" drop; }
}
RULES
}
home a 1 "$MASQUERADE_A"
home b 2 "$MASQUERADE_B"
exec "$@"
