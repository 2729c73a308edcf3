// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package lang says things in the reader's language, English or Chinese. Both
// texts stand side by side where something is said, so that neither is forgotten.
package lang

import (
	"cmp"
	"fmt"
	"strings"
)

// Lang is a language in which people are spoken to.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// FromEnv is the language that a person has chosen for messages by the
// environment: of LC_ALL, LC_MESSAGES and LANG the first that is set counts, as
// POSIX has it. Whatever is not Chinese is English.
func FromEnv(getenv func(string) string) Lang {
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG"))
	language, _, _ := strings.Cut(strings.ToLower(locale), ".")
	if language, _, _ = strings.Cut(strings.ReplaceAll(language, "-", "_"), "_"); language == "zh" {
		return Chinese
	}
	return English
}

// Say picks the text in the language l. Both take the same arguments, and each of
// them may number its verbs (%[2]s) to use them in an order of its own.
func (l Lang) Say(english, chinese string, args ...any) string {
	text := english
	if l == Chinese {
		text = chinese
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}
