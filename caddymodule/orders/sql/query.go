// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// query is a SELECT as its database takes it, and which named parameter each of
// its arguments is.
type query struct {
	text string
	args []string
}

func (q *query) uses(parameter string) bool { return slices.Contains(q.args, parameter) }

// values are the arguments of a query.
func (q *query) values(parameters map[string]string) []any {
	values := make([]any, len(q.args))
	for i, name := range q.args {
		values[i] = parameters[name]
	}
	return values
}

var (
	errNoQuery   = errors.New("query is missing; it is a SELECT with :out_trade_no, in quotes")
	errNotSelect = errors.New("it has to be one SELECT (or WITH … SELECT)")
	errSeveral   = errors.New("it has to be one statement, without a semicolon")
	errNoNumber  = errors.New("it does not use :out_trade_no, and so would give any buyer the same order")
	errUnclosed  = errors.New("a quote or a comment is not closed")
)

// parseQuery puts a dialect's marks in the place of named parameters. What stands
// in quotes or comments stays as it is.
func parseQuery(text string, d dialect) (query, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return query{}, errNoQuery
	}
	var q query
	var b, plain strings.Builder // plain: without quotes and comments
	for len(text) > 0 {
		n, err := skipped(text, d)
		if err != nil {
			return q, err
		}
		if n > 0 { // a quote, a comment, or ::
			b.WriteString(text[:n])
			text = text[n:]
			plain.WriteByte(' ')
			continue
		}
		if name := parameter(text); name != "" {
			if name != "out_trade_no" && name != "user" {
				return q, fmt.Errorf("the parameter :%s is unknown; there are :out_trade_no and :user", name)
			}
			b.WriteString(d.mark(&q, name))
			text = text[1+len(name):]
			continue
		}
		b.WriteByte(text[0])
		plain.WriteByte(text[0])
		text = text[1:]
	}
	q.text = b.String()
	return q, q.check(plain.String())
}

func (q *query) check(plain string) error {
	words := strings.Fields(plain)
	switch {
	case strings.Contains(plain, ";"):
		return errSeveral
	case len(words) == 0 || !strings.EqualFold(words[0], "select") && !strings.EqualFold(words[0], "with"):
		return errNotSelect
	case !q.uses("out_trade_no"):
		return errNoNumber
	}
	return nil
}

// parameter is the name of the parameter that text begins with, if it does.
func parameter(text string) string {
	if text[0] != ':' {
		return ""
	}
	n := 1
	for n < len(text) && isWord(text[n], n > 1) {
		n++
	}
	return text[1:n]
}

func isWord(c byte, digits bool) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || digits && c >= '0' && c <= '9'
}

// skipped is the length of what text begins with and no parameter can stand in.
func skipped(text string, d dialect) (int, error) {
	switch c := text[0]; {
	case c == '\'' || c == '"' || c == '`':
		return quoted(text, c, d.backslashes)
	case strings.HasPrefix(text, "--"):
		if end := strings.IndexByte(text, '\n'); end >= 0 {
			return end + 1, nil
		}
		return len(text), nil
	case strings.HasPrefix(text, "/*"):
		if end := strings.Index(text[2:], "*/"); end >= 0 {
			return end + 4, nil
		}
		return 0, errUnclosed
	case strings.HasPrefix(text, "::"): // a cast
		return 2, nil
	}
	return 0, nil
}

// quoted is the length of the quote that text begins with. A doubled quote stands
// for itself.
func quoted(text string, quote byte, backslashes bool) (int, error) {
	for i := 1; i < len(text); i++ {
		switch {
		case backslashes && text[i] == '\\' && quote != '`':
			i++
		case text[i] != quote:
		case i+1 < len(text) && text[i+1] == quote:
			i++
		default:
			return i + 1, nil
		}
	}
	return 0, errUnclosed
}
