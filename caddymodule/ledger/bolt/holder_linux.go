// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// holder says which process has locked the file, as far as the kernel tells:
// " by process 42 (caddy)", or "".
func holder(path string) string {
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	dev := widened(stat.Dev)
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), stat.Ino)
	for lines := bufio.NewScanner(bytes.NewReader(locks)); lines.Scan(); {
		// "1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF"
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != file || f[4] == "0" || f[4] == "-1" {
			continue
		}
		name, err := os.ReadFile("/proc/" + f[4] + "/comm")
		if err != nil {
			return " by process " + f[4]
		}
		return fmt.Sprintf(" by process %s (%s)", f[4], bytes.TrimSpace(name))
	}
	return ""
}

// widened is a device number, whose type differs between architectures.
func widened[T uint32 | uint64](dev T) uint64 { return uint64(dev) }
