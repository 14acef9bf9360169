// Package store keeps rows.
package store
