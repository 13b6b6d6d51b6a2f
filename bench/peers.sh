#!/bin/sh
# Callfeed beside nchan (the nginx module, in C), both measured in one run by one load client. Takes about two minutes.
#
#   cargo build --release && bench/peers.sh [--json]
#
# Installs nginx and nchan where they are missing (Debian, as root), saying so; starts them on a free port with a
# configuration in a temporary folder; stops them at the end. Absolute figures drift with the machine: compare ratios.
set -eu

callfeed=${CALLFEED:-target/release/callfeed}
module=/usr/lib/nginx/modules/ngx_nchan_module.so

[ -x "$callfeed" ] || { echo "no $callfeed: run cargo build --release first, or set CALLFEED" >&2; exit 1; }
if [ ! -e "$module" ] || ! command -v nginx >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || {
        echo "install nginx and nchan first (on Debian: apt-get install nginx libnginx-mod-nchan)" >&2; exit 1; }
    echo "installing nginx and libnginx-mod-nchan with apt-get" >&2
    # Installed, not started: RUNLEVEL=1 keeps the package from taking port 80.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx libnginx-mod-nchan >&2
    [ -e "$module" ] || { echo "nchan could not be installed" >&2; exit 1; }
fi

folder=$(mktemp -d)
nginx_pid=
trap '[ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
port=${NCHAN_PORT:-18480}
cat >"$folder/nginx.conf" <<CONF
load_module $module;
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { worker_connections 8000; }
http {
    access_log off;
    keepalive_requests 10000000;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    nchan_shared_memory_size 256M;
    server {
        listen 127.0.0.1:$port;
        location = /publish {
            nchan_publisher;
            nchan_channel_id bench;
            nchan_message_buffer_length 5000;
            nchan_message_timeout 60s;
        }
        location = /subscribe {
            nchan_subscriber websocket;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }
    }
}
CONF
chmod 755 "$folder"
nginx -p "$folder" -c "$folder/nginx.conf" 2>"$folder/stderr" &
nginx_pid=$!
tries=0
until [ -s "$folder/nginx.pid" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { cat "$folder/stderr" "$folder/error.log" >&2; exit 1; }
    sleep 0.1
done
"$callfeed" bench-peers --nchan "127.0.0.1:$port" --nchan-pid "$nginx_pid" "$@"
