// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package merchant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	// maxBody bounds a request's body, in bytes.
	maxBody = 64 << 10
	// maxQuery bounds a request's query, in bytes.
	maxQuery = 4 << 10
	// bodyTimeout bounds how long a client may take to send a body.
	bodyTimeout = 15 * time.Second
)

// call is a request to one of the API's paths.
type call struct {
	*http.Request
	w    http.ResponseWriter
	args map[string]string // from the path
}

// query reads the URL's query. A parameter that the call does not have, or one
// given twice, is an error: a misspelt filter would list everything.
func (c *call) query(names ...string) (url.Values, error) {
	if len(c.URL.RawQuery) > maxQuery {
		return nil, problem(invalidParameter, "the query is longer than 4 KiB")
	}
	v, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, problem(invalidParameter, "the query is not encoded as one")
	}
	for name, values := range v {
		switch {
		case !slices.Contains(names, name):
			return nil, problem(invalidParameter, fmt.Sprintf("there is no parameter %.40q here; there are: %s", name, strings.Join(names, ", ")))
		case len(values) > 1:
			return nil, problem(invalidParameter, fmt.Sprintf("%s is given twice", name))
		}
	}
	return v, nil
}

// limit reads the parameter limit.
func limit(v url.Values) (int, error) {
	text := v.Get("limit")
	if text == "" {
		return ledger.DefaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > ledger.MaxLimit {
		return 0, problem(invalidParameter, fmt.Sprintf("limit is a number from 1 to %d", ledger.MaxLimit))
	}
	return n, nil
}

// readTime reads a time with its zone; zero if text is empty.
func readTime(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}

// body is a JSON object of a request: its members are strings, and true or false.
type body struct {
	members map[string]json.RawMessage
	fault   error // the first one found
}

// body reads the request's body. No body is an empty object. A member that the
// call does not have, or one given twice, is an error: about money nothing is
// guessed.
func (c *call) body(names ...string) (*body, error) {
	text, err := c.read()
	if err != nil {
		return nil, err
	}
	b := &body{members: make(map[string]json.RawMessage)}
	if len(bytes.TrimSpace(text)) == 0 {
		return b, nil
	}
	if !saysJSON(c.Header.Get("Content-Type")) {
		return nil, problem(notJSON, "the body has to be sent with Content-Type: application/json")
	}
	if !utf8.Valid(text) {
		return nil, problem(malformedBody, "the body is not UTF-8")
	}
	return b, b.scan(text, names)
}

// read reads the body within its bounds of size and time.
func (c *call) read() ([]byte, error) {
	if c.ContentLength > maxBody {
		return nil, problem(bodyTooLarge, "the body is larger than 64 KiB")
	}
	slow := time.AfterFunc(bodyTimeout, func() {
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now()) // a writer that has none is a test's
	})
	defer slow.Stop()
	text, err := io.ReadAll(io.LimitReader(c.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, problem(malformedBody, "the body ended early, or came too slowly")
	case len(text) > maxBody:
		return nil, problem(bodyTooLarge, "the body is larger than 64 KiB")
	}
	return text, nil
}

// scan takes a JSON object apart. encoding/json itself would take members in any
// letter case, and the last one of two.
func (b *body) scan(text []byte, names []string) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return problem(malformedBody, "the body is no JSON object")
	}
	for d.More() {
		t, err := d.Token()
		name, isName := t.(string)
		if err != nil || !isName {
			return problem(malformedBody, "the body is no JSON object")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return problem(malformedBody, "the body is no JSON object")
		}
		switch _, twice := b.members[name]; {
		case twice:
			return problem(malformedBody, fmt.Sprintf("the member %.40q is given twice", name))
		case len(names) == 0:
			return problem(malformedBody, "this call takes no members")
		case !slices.Contains(names, name):
			return problem(malformedBody, fmt.Sprintf("there is no member %.40q here; there are: %s", name, strings.Join(names, ", ")))
		}
		b.members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return problem(malformedBody, "the body is no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problem(malformedBody, "something follows the JSON object")
	}
	return nil
}

func (b *body) fail(name, what string) {
	if b.fault == nil {
		b.fault = problem(invalidMember, name+" "+what)
	}
}

// text is a member that is a string; "" if it is not there.
func (b *body) text(name string) string {
	raw, there := b.members[name]
	if !there {
		return ""
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		b.fail(name, "is not a string")
		return ""
	}
	return *s
}

// flag is a member that is true or false.
func (b *body) flag(name string) bool {
	raw, there := b.members[name]
	if there && string(raw) != "true" && string(raw) != "false" {
		b.fail(name, "is neither true nor false")
	}
	return string(raw) == "true"
}

// number is a member that is a number from least to most; otherwise if it is not there.
func (b *body) number(name string, least, most, otherwise int) int {
	raw, there := b.members[name]
	if !there {
		return otherwise
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < least || n > most {
		b.fail(name, fmt.Sprintf("is not a number from %d to %d", least, most))
	}
	return n
}

// amount is a member that is an amount in yuan, as a string.
func (b *body) amount(name string) trade.Amount {
	text := b.text(name)
	a, err := trade.ParseAmount(text)
	if err != nil {
		b.fail(name, `is not an amount in yuan with at most two decimals, as a string such as "88.88", from "0.01" to "100000000.00"`)
	}
	return a
}

// time is a member that is a time; zero if it is not there.
func (b *body) time(name string) time.Time {
	t, ok := readTime(b.text(name))
	if !ok {
		b.fail(name, "is not a time such as 2026-03-14T10:20:00+08:00")
	}
	return t
}

// saysJSON reports whether a body is sent as JSON, or as nothing in particular: a
// form is what curl -d calls any body, and the token keeps the forms of other
// sites out.
func saysJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || mediaType == "application/x-www-form-urlencoded")
}
