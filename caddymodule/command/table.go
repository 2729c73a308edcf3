// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// table is text in columns, for people.
type table struct {
	head  []string
	right []bool // per column: amounts and counts stand at its right edge
	rows  [][]string
}

// add adds a row. Cells are made fit for a terminal.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = lang.Plain(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// write writes the head and the rows, two spaces between columns and none behind
// the last one.
func (t *table) write(w io.Writer) error {
	rows := t.rows
	if t.head != nil {
		rows = append([][]string{t.head}, rows...)
	}
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-columns(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < len(t.right) && t.right[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// columns is how many columns of a terminal a text takes: two for each character
// of East Asian width, none for what is drawn onto the one before.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
