// Package issuer is the authorization server of the token benchmarks: a token endpoint that redeems numbered refresh tokens, each
// exactly once, and notes when.
//
// Owns: the texts of the refresh tokens, the record of redemptions, and the client that asks for it. A refresh token that is redeemed
// a second time is refused and counted.
//
// Does not own: anything of OAuth 2.0 that a refresh does not need; demo/authserver does.
//
// Neighbours: package bench starts it as a process of its own and redeems at it, directly and through the suite.
package issuer
