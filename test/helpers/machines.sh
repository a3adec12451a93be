#!/bin/sh
# Two machines and a network between them, in network namespaces with no way out, then `exec "$@"` on the first.
# To be run under `unshare --mount --net`: everything made here is gone when the last process in it is.
#
#   here 99.0.0.1 ── bridge ── machine-b 99.0.0.2 (`ip netns exec machine-b …`)
#                        └──── machine-c 99.0.0.3
#
# The addresses look public because HyperDHT does not keep reserved ones in its tables.
set -e
# `ip netns` keeps its names under /run/netns; a tmpfs of our own makes them private to this mount namespace.
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add bridge type bridge
ip addr add 99.0.0.1/24 dev bridge
ip link set bridge up
machine() { # name, address
  ip netns add "$1"
  ip link add "to-$1" type veth peer name eth0 netns "$1"
  ip link set "to-$1" master bridge up
  ip -n "$1" link set lo up
  ip -n "$1" addr add "$2/24" dev eth0
  ip -n "$1" link set eth0 up
}
machine machine-b 99.0.0.2
machine machine-c 99.0.0.3
exec "$@"
