// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package proof

const raceDetector = false
