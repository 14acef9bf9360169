// Package seal keeps secrets.
package seal
