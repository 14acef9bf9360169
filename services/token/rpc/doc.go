// Package rpc serves package token over gRPC: the services of freshet.token.v1,
// and what package token/learn finds out as LearningService.
//
// Owns: conversion between the contract and the domain, heartbeats and the end
// of streams, page tokens, and the one switch that turns errors of the domain
// into statuses.
//
// Does not own: authentication, validation of request fields, or what happens
// to errors that nobody mapped; services/internal/rpcserver does all of that
// around every handler.
//
// Neighbours: app registers it; clients use gen/freshet/token/v1.
package rpc
