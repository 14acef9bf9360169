// Package storetest is the suite that every implementation of delivery.Store passes, on every engine.
package storetest
