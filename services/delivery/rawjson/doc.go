// Package rawjson walks JSON text (RFC 8259) in place.
//
// It owns the reader that patterns and JSON paths share: numbers keep their spelling, objects their order, and nothing is
// allocated for what is skipped. It does not validate beyond [CheckObject]: every other function takes text that is known to be
// valid, and stays within its bounds when that is not so.
//
// Neighbours: delivery/pattern and delivery/shape read events with it.
package rawjson
