// Package storetest holds the rules that every implementation of connection.Store keeps, as tests: atomic writes with their events,
// conditional on what was read; secrets apart from settings; lists in the order of ids; events claimed by one owner at a time.
package storetest
