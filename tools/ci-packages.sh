#!/usr/bin/env bash
# Debian packages that some tests need and skip without: a PostgreSQL server, network namespaces. Where there
# is no apt, or no right to use it, those tests are skipped and say why.
set -uo pipefail

packages=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || packages+=(postgresql)
PATH=$PATH:/usr/sbin:/sbin
command -v ip >/dev/null || packages+=(iproute2)
command -v iptables >/dev/null || packages+=(iptables)
[[ ${#packages[@]} -gt 0 ]] || exit 0
if ! command -v apt-get >/dev/null || [[ $EUID -ne 0 ]]; then
    echo "not installed, and not installable here: ${packages[*]}"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
timeout 60 apt-get update -qq
timeout 180 apt-get install -y -qq --no-install-recommends "${packages[@]}" || echo "could not install: ${packages[*]}"
exit 0
