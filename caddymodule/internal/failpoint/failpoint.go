// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package failpoint names the steps between receiving and acknowledging, so that
// a test can have the process die at each of them, and is the clock that decides
// about payments, so that a test can set it wrong. Only a binary built with the
// tag failpoint can be told to: in any other, Reach is an empty function that the
// compiler leaves out, and Now is time.Now.
package failpoint

// The steps, in the order in which a payment takes them.
const (
	Attempted = "attempted" // an attempt to pay is recorded, and the browser not yet sent on
	Verified  = "verified"  // a notice is shown to be Alipay's
	Answered  = "answered"  // a query's answer is shown to be Alipay's
	Stored    = "stored"    // a group is in its transaction, and nothing of it on disk
	Synced    = "synced"    // a group is on disk, and nobody knows
	Recorded  = "recorded"  // whoever handed evidence in knows that it is on disk
	Telling   = "telling"   // an event is about to be told
	Told      = "told"      // the shop has accepted an event, which is not noted
	Accepted  = "accepted"  // it is noted, not on disk
	Answering = "answering" // all is done, and Alipay or the browser not yet answered
)
