// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// documents is where the sections of the codes are.
const documents = "https://github.com/caddy-alipay/caddy-alipay/blob/main/docs/"

// Page is the address of a code's section in the reader's language.
func (c Code) Page(l lang.Lang) string {
	return documents + l.Say("doctor.md", "doctor.zh-CN.md") + "#" + string(c)
}

// marks stand before a finding, for eyes that look for what is wrong.
var marks = map[Severity]struct{ sign, color string }{
	Fault:   {"✗", "\x1b[31m"},
	Warning: {"!", "\x1b[33m"},
	Note:    {"·", "\x1b[36m"},
	Fine:    {"✓", "\x1b[32m"},
}

// Text is what a person reads. It ends with a line break.
func Text(findings []Finding, l lang.Lang, color bool) string {
	var b strings.Builder
	subject, count := "\x00", map[Severity]int{}
	for _, f := range findings {
		count[f.Severity]++
		if f.Subject != subject {
			if subject = f.Subject; b.Len() > 0 {
				b.WriteByte('\n')
			}
			if subject != "" {
				b.WriteString(lang.Plain(subject) + "\n")
			}
		}
		m := marks[f.Severity]
		sign := m.sign
		if color {
			sign = m.color + sign + "\x1b[0m"
		}
		b.WriteString("  " + sign + " " + lang.Plain(f.Text) + " [" + string(f.Code) + "]\n")
		if f.Cure != "" {
			b.WriteString(l.Say("      cure: ", "      处理：") + lang.Plain(f.Cure) + "\n")
		}
		if f.Severity == Fault || f.Severity == Warning {
			b.WriteString("      " + f.Code.Page(l) + "\n")
		}
	}
	b.WriteString("\n" + summary(l, count))
	return b.String()
}

func summary(l lang.Lang, count map[Severity]int) string {
	if count[Fault]+count[Warning] == 0 {
		return l.Say("All is well.\n", "一切正常。\n")
	}
	if l == lang.Chinese {
		return l.Say("", "%d 处故障，%d 处警告。\n", count[Fault], count[Warning])
	}
	return plural(count[Fault], "fault") + ", " + plural(count[Warning], "warning") + ".\n"
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return lang.English.Say("%d %s", "", n, word)
}
