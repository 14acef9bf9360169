// Package rpc serves the call log over gRPC.
//
// Owns: conversion between messages and calls, and the one switch from errors to statuses.
//
// Does not own: what is kept (package calllog), the REST face (the gateway).
//
// Neighbours: app registers it on the server of the gateway role's process.
package rpc
