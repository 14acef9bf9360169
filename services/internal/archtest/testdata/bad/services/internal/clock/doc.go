// Package clock breaks the habits.
package clock
