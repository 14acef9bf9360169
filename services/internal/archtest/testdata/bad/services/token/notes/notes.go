// Package notes is pure.
package notes
