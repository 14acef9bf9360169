// Package storetest is what every implementation of token.Store must pass.
//
// Owns: the meaning of the interface's comments, as tests.
//
// Does not own: how a store is made; the implementation's own test does that.
//
// Neighbours: package token declares the interface; token/store runs the suite
// on every engine.
package storetest
