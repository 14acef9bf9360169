// Package seal keeps secrets unreadable: at rest by authenticated encryption,
// in memory by a type that never prints itself.
//
// Owns: [Secret], the only type a secret value has in our structs; [Sealer],
// which encrypts a secret for storage and binds it to the resource it belongs
// to; the master key, its file format and its file's permissions.
//
// Does not own: where sealed bytes are stored (the services' store packages),
// where the master key's path or text is configured (app), or which resources
// have secrets (the domain packages).
//
// Neighbours: store packages seal and open; domain packages only carry Secret
// values; app loads the master key and derives the internal keys that the page
// package and the internal RPC tokens use.
package seal
