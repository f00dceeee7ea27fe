#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails if a register tile keeps a vector on the stack: that makes it half as fast.
# usage: spills.sh OBJDUMP LIBRARY...
set -eu
objdump=$1
shift
"$objdump" -d --no-show-raw-insn "$@" | awk '
    />:$/ { name = $2 }
    name !~ /^<(tile|depthwise)_[0-9]/ { next }
    /vfmadd|vpmaddwd|fmla|smlal/ { products[name]++ }
    /[yz]mm[0-9].*\(%r[sb]p|\(%r[sb]p.*[yz]mm[0-9]|q[0-9]+, .*\[sp/ { spills[name]++ }
    END {
        for (name in products) tiles++
        for (name in spills) {
            printf "%s keeps %d vectors on the stack\n", name, spills[name]
            bad = 1
        }
        if (!tiles) { print "no tile found"; bad = 1 }
        exit bad
    }'
