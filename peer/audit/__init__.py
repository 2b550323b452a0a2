"""What happened, told from statements alone: evidence files and their verification, archives, timelines, reasons."""
