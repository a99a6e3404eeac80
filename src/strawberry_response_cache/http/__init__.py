"""What do this package's views add to Strawberry's?"""
