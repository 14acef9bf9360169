// Package account asks a provider's API about the account that an end user has just connected, with the token of that grant.
//
// Owns: how such a call is made, and how values are taken from its answer. Does not own: which calls are made and what their answers are for
// (package connect), where outbound calls may go (internal/egress).
//
// Neighbours: implements connect.Asker; the token service has the credential.
package account
