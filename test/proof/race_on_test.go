// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package proof

// raceDetector: the programs are built with it when the tests are.
const raceDetector = true
