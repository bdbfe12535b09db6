#!/usr/bin/env bash
# start DIR: a Docker daemon for the tests. One that answers is taken; else Debian's is installed and started.
#            Where none can be had, that is one line here and in DIR/missing, and no failure.
# stop DIR:  ends the daemon that `start DIR` has started, if it has.
set -uo pipefail
PATH=$PATH:/usr/sbin:/sbin
dir=$2
log=/var/log/dockerd-ci.log
daemon=

answers() { timeout 10 docker --host "${DOCKER_HOST:-unix:///var/run/docker.sock}" version >/dev/null 2>&1; }

missing() {
    printf 'no Docker daemon: %s\n' "$1" | tee "$dir/missing"
    exit 0
}

install_docker() {
    command -v apt-get >/dev/null || missing "none answers, and there is no apt to install docker.io with"
    [[ $EUID -eq 0 ]] || missing "none answers, and only root may install and start one"
    export DEBIAN_FRONTEND=noninteractive
    timeout 60 apt-get update -qq
    command -v dockerd >/dev/null || timeout 240 apt-get install -y -qq --no-install-recommends docker.io
    # A package of its own since Debian 13.
    command -v docker >/dev/null || timeout 60 apt-get install -y -qq --no-install-recommends docker-cli
    command -v dockerd >/dev/null && command -v docker >/dev/null || missing "docker.io could not be installed"
}

launch() { # with these flags; fails when the daemon ends, or is silent for 30 s
    printf '\n--- dockerd %s\n' "$*" >>"$log"
    # Away from this terminal, process group and whatever files are open here, so that nobody waits for it.
    setsid dockerd "$@" </dev/null >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    daemon=$!
    local tries
    for ((tries = 0; tries < 150; tries++)); do
        kill -0 "$daemon" 2>/dev/null || return
        answers && return
        sleep 0.2
    done
    end "$daemon"
    return 1
}

end() { # it stops its containers first, which may take 10 s
    local tries
    kill "$1" 2>/dev/null
    for ((tries = 0; tries < 100; tries++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.2
    done
    kill -KILL "$1" 2>/dev/null
}

start() {
    answers && return
    [[ -z ${DOCKER_HOST:-} ]] || missing "none answers at $DOCKER_HOST"
    command -v dockerd >/dev/null && command -v docker >/dev/null || install_docker
    answers && return # where services are started when they are installed
    [[ $EUID -eq 0 ]] || missing "none answers, and only root may start one"
    # Plain; on a file system that overlays cannot stack on; without the right to change the firewall.
    launch || launch --storage-driver=vfs || launch --storage-driver=vfs --iptables=false --ip6tables=false ||
        missing "dockerd does not start: $(grep -iE 'failed|fatal|error' "$log" | tail -n 1 | cut -c 1-300)"
    echo "$daemon" >"$dir/dockerd.pid"
    echo "started dockerd, its log is $log"
}

stop() {
    [[ ! -e $dir/dockerd.pid ]] || end "$(<"$dir/dockerd.pid")"
}

"$1"
