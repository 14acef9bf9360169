// Package storetest holds the rules that every implementation of calllog.Store keeps.
package storetest
