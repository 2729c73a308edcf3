// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

var now = time.Date(2026, 3, 14, 10, 0, 0, 0, trade.Zone)

func TestSetting(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a", "b")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ folder, before, want string }{
		{folder, "2025-02-07", ""}, // 400 days
		{folder, "2025-02-08", "2025-02-08 is less than 400 days ago"},
		{folder, "2026-12-01", "name 2025-02-07 or an earlier day"},
		{folder, "2025-02-30", "is not a day"},
		{folder, "2025-2-3", "is not a day"},
		{folder, "", "is not a day"},
		{"", "2024-01-31", "the folder is missing"},
		{"{env.ALIPAY_NO_SUCH_VARIABLE}", "2024-01-31", "archive: folder"},
		{file, "2024-01-31", "making the folder"},
	} {
		s := &Setting{Folder: tt.folder, Before: tt.before}
		err := s.Provision(now)
		if tt.want == "" {
			if err != nil || !s.Cut().Equal(time.Date(2025, 2, 7, 0, 0, 0, 0, trade.Zone)) {
				t.Errorf("%+v: %v", s, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s before %s: %v, want %q", tt.folder, tt.before, err, tt.want)
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	var none *Setting
	if err := none.Provision(now); err != nil || !none.Same(nil) || none.Same(&Setting{}) {
		t.Errorf("no setting: %v", err)
	}
}
