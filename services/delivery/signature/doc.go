// Package signature signs requests as Standard Webhooks says: a keyed hash or an ed25519 signature of id, time and body, one for each active
// key, so that receivers can go from one key to the next at their own pace.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//
// It owns the forms of keys and of the headers. It does not own where keys are kept, which are active, or what is signed.
//
// Neighbours: the delivery service signs each attempt with the keys of its destination.
package signature
