#!/bin/sh
# machine-name.sh - what this machine is called in results/machines: $MACHINE, or its processor and number of cores.
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)
echo "${MACHINE:-$(printf '%s' "${cpu:-machine}" | tr -cs 'A-Za-z0-9' '-' | tr A-Z a-z | sed 's/-$//')-$(getconf _NPROCESSORS_ONLN)}"
