"""What happens with nobody looking; thin: chooses the work, calls actions."""
