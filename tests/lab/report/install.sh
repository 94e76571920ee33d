#!/bin/sh
# Prints the path of a Chromium for the tests of the report's page; installs Debian's headless one where that is possible.
# EDGESEQ_BROWSER names another one; none leaves these tests out, and so does a machine where none can be installed, unless
# it says required.
set -eu

case "${EDGESEQ_BROWSER:-}" in
none) echo none && exit 0 ;;
required) ;;
?*) command -v "$EDGESEQ_BROWSER" && exit 0 ;;
esac

found() {
    for name in chromium-headless-shell chromium chromium-browser google-chrome \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        command -v "$name" && return 0
    done
    return 1
}

found && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            -o DPkg::Lock::Timeout=120 chromium-headless-shell fonts-dejavu-core
    } >&2 || true
    found && exit 0
fi
echo "the report's page is tested in a Chromium, and there is none: these tests are left out" >&2
[ "${EDGESEQ_BROWSER:-}" != required ] && echo none
