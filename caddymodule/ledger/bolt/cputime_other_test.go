// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package bolt

import "time"

// cpuTime: not every system tells.
func cpuTime() time.Duration { return 0 }
