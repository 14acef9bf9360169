// Package archtest keeps the architecture: who may import whom, and the habits that keep code readable.
//
// It owns the tables of rules (directions.go, bans.go, shape.go), each with its reason, and the check of the whole workspace
// against them. It does not own style that a linter knows: .golangci.yml. Code that a generator wrote is bound by the
// directions only.
//
// testdata/bad is a workspace that breaks each rule; its test fails when a rule stops noticing.
//
// go test's cache does not see other modules' files: after a change of sdk or gen alone, use -count=1.
package archtest
