// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// object is a JSON object whose members keep their order: answers are signed
// over their bytes, and people read them.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members as they stand; &, < and > stay themselves,
// as in the gateway's own answers.
func (o object) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			text.WriteByte(',')
		}
		for j, part := range []any{m.name, m.value} {
			if j == 1 {
				text.WriteByte(':')
			}
			raw, err := plainJSON(part)
			if err != nil {
				return nil, fmt.Errorf("member %q: %w", m.name, err)
			}
			text.Write(raw)
		}
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// plainJSON encodes without HTML escapes and without a newline.
func plainJSON(value any) ([]byte, error) {
	if o, ok := value.(object); ok {
		return o.MarshalJSON()
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// biz is a request's biz_content.
type biz map[string]json.RawMessage

// errBiz says that biz_content is no JSON object (isv.illegal-json).
var errBiz = errors.New("biz_content is not one JSON object with unique names")

// parseBiz reads biz_content. A repeated name is refused: two readers could
// choose differently.
func parseBiz(text string) (biz, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errBiz
	}
	content := biz{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, errBiz
		}
		name, ok := token.(string)
		if _, seen := content[name]; !ok || seen {
			return nil, errBiz
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errBiz
		}
		content[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errBiz
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errBiz
	}
	return content, nil
}

// text returns a scalar member: a string, or a number or boolean as written.
// An absent or null member is "". ok is false for an object or array.
func (b biz) text(name string) (value string, ok bool) {
	raw := b[name]
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", true
	case raw[0] == '"':
		err := json.Unmarshal(raw, &value)
		return value, err == nil
	case raw[0] == '{' || raw[0] == '[':
		return "", false
	}
	return string(raw), true
}

// list returns an array of strings, nil when the member is something else.
func (b biz) list(name string) []string {
	var values []string
	if json.Unmarshal(b[name], &values) != nil {
		return nil
	}
	return values
}
