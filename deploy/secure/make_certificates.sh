#!/bin/sh
# Makes a certificate authority of your own and a certificate for the Redis server, in the current folder.
# Usage: make_certificates.sh NAME...  (the DNS names or IP addresses by which clients reach the server)
set -eu
names=""
for name in "$@"; do
  case "$name" in
    *:*) names="$names,IP:$name" ;;
    *[!0-9.]*) names="$names,DNS:$name" ;;
    *) names="$names,IP:$name" ;;
  esac
done
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=askfirst CA" \
  -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.crt
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=redis" -keyout redis.key -out redis.csr
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "${names#,}" > redis.ext
openssl x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile redis.ext -out redis.crt
rm redis.csr redis.ext
chmod 644 ca.crt
