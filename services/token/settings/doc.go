// Package settings asks the connection service how to obtain a credential.
//
// Owns: the conversion of connection settings from the contract into what
// package token works with, and what a failed question means.
//
// Does not own: the settings, which are read anew for every rotation so that a
// changed secret is used at once.
//
// Neighbours: package token declares the interface; token/rpc converts the
// settings of a trial the same way.
package settings
