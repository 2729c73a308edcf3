// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"os"
	"strconv"
	"strings"
)

// anonymousMB is the memory of this process that is no file's, in MiB: the ledger's
// own file counts in the resident set as the pages of it that the system keeps. It
// is 0 where the system does not tell.
func anonymousMB() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kB, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.Atoi(kB)
	if err != nil {
		return 0
	}
	return n >> 10
}
