// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// qrQuiet is the empty border that readers need, in modules (ISO/IEC 18004).
const qrQuiet = 4

// qrPicture draws text as one SVG path of unit squares within a square of size
// units, its border included.
func qrPicture(text string) (path string, size int, err error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", 0, fmt.Errorf("drawing the QR code: %w", err)
	}
	var drawn strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for code.Black(x, y) { // beyond the edge nothing is black
				x++
			}
			if x > from {
				fmt.Fprintf(&drawn, "M%d %dh%dv1h-%dz", from+qrQuiet, y+qrQuiet, x-from, x-from)
			}
		}
	}
	return drawn.String(), code.Size + 2*qrQuiet, nil
}
