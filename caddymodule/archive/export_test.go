// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive

// AtOnce has the archiver begin without a pause.
func (a *Archiver) AtOnce() { a.pause = 0 }
