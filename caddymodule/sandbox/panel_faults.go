// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// faultForm is the form that adds one fault: for Order, or for the order that is
// filled in, none for all of them.
type faultForm struct {
	Order     string
	Catalogue []FaultInfo
}

// panelFaults replaces everything by the text that was edited.
func (s *Sandbox) panelFaults(r *http.Request) error {
	var next Faults
	if err := json.Unmarshal([]byte(r.PostForm.Get("faults")), &next); err != nil {
		return err
	}
	return s.SetFaults(next)
}

// panelAddFault adds one to those in force.
func (s *Sandbox) panelAddFault(r *http.Request) error {
	fault := Fault{Name: r.PostForm.Get("name")}
	if text := r.PostForm.Get("times"); text != "" {
		times, err := strconv.Atoi(text)
		if err != nil {
			return refuse(http.StatusBadRequest, "%q is no number of times; 0 means always", text)
		}
		fault.Times = times
	}
	if text := r.PostForm.Get("delay"); text != "" {
		if err := fault.Delay.UnmarshalText([]byte(text)); err != nil {
			return err
		}
	}
	next := s.Faults()
	if order := r.PostForm.Get("for"); order != "" {
		next.Orders[order] = append(next.Orders[order], fault)
	} else {
		next.Global = append(next.Global, fault)
	}
	return s.SetFaults(next)
}

// panelClearFaults ends all faults. The switches stay.
func (s *Sandbox) panelClearFaults(*http.Request) error {
	return s.SetFaults(Faults{Switches: s.Faults().Switches})
}
