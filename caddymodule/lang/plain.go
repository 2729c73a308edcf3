// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package lang

import "strings"

// Plain makes a text from outside fit for a terminal: one line, and no character
// that commands the terminal or is not seen as what it is.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0: // control characters
			return ' '
		case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			return -1 // invisible, or turning the direction
		}
		return r
	}, s)
}
