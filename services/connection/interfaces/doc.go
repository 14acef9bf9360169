// Package interfaces keeps interfaces: operations that an application calls alike whatever provider its users have.
//
// Owns: what is stored of an interface and when it may be changed ([Service]), which mapping counts for a connection ([Service.Resolve]), and
// trying an operation of it ([DryRun]).
//
// Does not own: what a definition may say and what it means (internal/mapping); calls, which the gateway makes.
//
// Neighbours: package connection knows connections and their providers; store implements [Store]; rpc serves it.
package interfaces
