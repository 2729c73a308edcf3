// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build !failpoint

package failpoint

import "time"

// Reach does nothing.
func Reach(string) {}

// Now is time.Now.
func Now() time.Time { return time.Now() }
