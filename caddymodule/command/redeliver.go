// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"maps"
	"net/http"
)

// batchSize is how many events one call tells again.
const batchSize = 100

// batch is what the server answers to one call.
type batch struct {
	Matched  int           `json:"matched"`
	Accepted int           `json:"accepted"`
	Failed   []redelivered `json:"failed"`
	GivenUp  bool          `json:"given_up"`
	Next     string        `json:"next_cursor"`
}

// tally is the sum of batches.
type tally struct {
	DryRun   bool              `json:"dry_run"`
	Matched  int               `json:"matched"`
	Accepted int               `json:"accepted"`
	GivenUp  bool              `json:"given_up"`
	Failed   []json.RawMessage `json:"failed"`
}

// redeliverMany tells the shop of all events that the flags select, batch by batch,
// after they were counted and the person has agreed.
func (j *job) redeliverMany() error {
	filter, err := j.filter()
	if err != nil {
		return err
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	counted, err := j.batches(s, filter, true, 0)
	if err != nil {
		return err
	}
	if j.is("dry-run") || counted.Matched == 0 {
		if !j.people() {
			return j.printJSON(counted)
		}
		j.printf("%d events are selected.\n", "选中 %d 个事件。\n", counted.Matched)
		return nil
	}
	if err := j.confirm("Tell the shop of %d events once more?", "再次通知商城 %d 个事件？", counted.Matched); err != nil {
		return err
	}
	told, err := j.batches(s, filter, false, counted.Matched)
	if err != nil {
		return err
	}
	if j.people() {
		j.printf("The shop accepted %d of %d events.\n", "商城接受了 %d / %d 个事件。\n", told.Accepted, counted.Matched)
	} else if err := j.printJSON(told); err != nil {
		return err
	}
	if told.GivenUp {
		return j.fail(exitUnavailable, "given up, for the shop refused %d events", "商城拒绝了 %d 个事件，已停止", len(told.Failed))
	}
	if len(told.Failed) > 0 {
		return j.fail(exitRefused, "the shop refused %d events", "商城拒绝了 %d 个事件", len(told.Failed))
	}
	return nil
}

func (j *job) batches(s *server, filter map[string]any, dryRun bool, total int) (tally, error) {
	sum := tally{DryRun: dryRun, Failed: []json.RawMessage{}}
	bar := j.progress(int64(total), j.lang.Say("events", "个事件"))
	defer bar.done()
	if total == 0 {
		bar.off()
	}
	body := maps.Clone(filter)
	body["limit"], body["dry_run"] = batchSize, dryRun
	for {
		var raw struct {
			batch
			Failed []json.RawMessage `json:"failed"`
		}
		if _, err := s.call(http.MethodPost, []string{"events", "redeliver"}, nil, body, &raw); err != nil {
			return sum, err
		}
		sum.Matched += raw.Matched
		sum.Accepted += raw.Accepted
		sum.Failed = append(sum.Failed, raw.Failed...)
		bar.add(int64(raw.Accepted + len(raw.Failed)))
		if sum.GivenUp = raw.GivenUp; raw.GivenUp || raw.Next == "" || raw.Next == body["after"] {
			return sum, nil
		}
		body["after"] = raw.Next
	}
}
