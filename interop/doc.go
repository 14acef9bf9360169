// Package interop tests the suite against an authorization server that is not ours: github.com/ory/fosite, which rotates refresh tokens
// and revokes a grant when one is used twice.
//
// Owns: that server as it runs here, and the tests. It is a module of its own and no part of the workspace, so that what the server is
// built on never chooses the versions that the suite is built with.
//
// Neighbours: the suite is services/cmd/freshet/commands, in processes that can be killed.
package interop
