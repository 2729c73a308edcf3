// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// schema fills the schema's name into statements, where {} stands for it: nothing
// depends on a session's search_path, which a pooler between us and the server
// would mix up.
type schema struct {
	name  string
	texts sync.Map // the constants of sqlread.go and sqlwrite.go, filled in
}

func (s *schema) sql(constant string) string {
	if text, ok := s.texts.Load(constant); ok {
		return text.(string)
	}
	text := strings.ReplaceAll(constant, "{}", quoted(s.name))
	s.texts.Store(constant, text)
	return text
}

// quoted is an identifier for use in a statement.
func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
