// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package proof injects faults into the real program, cmd/caddy-alipay, between a
// shop and a gateway: it is killed, its disk fills up, its clock is wrong. Where a
// fault is the program's, and not its disk's, it is tried over each ledger: a bolt
// file and a PostgreSQL database. Each test prints its figure. These environment
// variables make a run longer, or repeat one:
//
//	PROOF_KILLS    how often TestCrash kills the program (default 50, and 15 over PostgreSQL)
//	PROOF_SEED     the seed of its choices (default: the time)
//	PROOF_BACKLOG  how many events TestBacklog drains (default 5000)
//	PROOF_FLOOD    how many bogus notices TestFlood sends (default 20000)
//
// PROOF_RELOADS does the same for TestReloadUnderLoad of caddymodule (default 100).
package proof
